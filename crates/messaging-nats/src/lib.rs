//! The NATS JetStream adapter of the messaging port.
