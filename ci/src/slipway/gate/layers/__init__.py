"""What is executed, cheapest first: each layer answers one question about every revision, or about every new one."""
