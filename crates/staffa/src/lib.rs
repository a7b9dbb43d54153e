//! A foundation for microservices: settings, composition and lifecycle
