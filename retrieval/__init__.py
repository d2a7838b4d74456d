"""Images in, answers out: reading, network, training, embedding, neighbours, evaluation."""
