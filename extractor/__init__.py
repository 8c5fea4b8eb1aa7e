"""The extractor stage: one receiver's IQ in, features out."""
