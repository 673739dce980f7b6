"""Behind `tocsin.detect` and `tocsin score`: rows that are all there, judged as if live."""
