"""The extractor stage: one receiver's IQ in, 72 features out."""
