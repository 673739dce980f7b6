"""Behind `tocsin.config`: strict YAML, the shape of the sections, and parts with a type."""
