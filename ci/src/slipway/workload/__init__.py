"""A running service: started from its artifact with its own folder and environment, asked for its health, listened to, stopped."""
