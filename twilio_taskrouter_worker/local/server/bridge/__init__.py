"""The event bridge: websocket, the HTTP tunnel, and the paging of its lists."""
