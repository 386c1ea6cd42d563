"""The pocket world: pictures drawn by code, and models small enough to ship."""
