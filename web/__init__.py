"""A static page that judges pictures in the visitor's own browser, with LiteRT.js: docs/web.md."""
