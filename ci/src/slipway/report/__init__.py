"""Records as a person or a machine reads them: text, Markdown, JUnit, HTML. Everything that others wrote is escaped here."""
