"""HTTP below the resources: connections, URL paths, forms, parameters, filters and errors."""
