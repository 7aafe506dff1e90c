"""The console: a page in the browser that shows and drives one local TaskRouter, and the address it uses."""
