"""Photo files and the faces in them: reading, uploads, finders, face sets; no torch."""
