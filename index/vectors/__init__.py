"""Vector indexes: one contract, and FAISS behind it."""
