"""Records as reports: text, Markdown, HTML, JUnit, SARIF, GitHub annotations. Untrusted text is escaped here."""
