"""What runs inside the component: at its build first, then for each request."""
