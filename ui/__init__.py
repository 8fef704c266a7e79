"""The page: one module a tab, each with `build()`. Calls detector/ and knows nothing of how it judges."""
