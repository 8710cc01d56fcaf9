"""Charts as data: each a Vega-Lite specification with a title that states the finding, a source line and a table."""
