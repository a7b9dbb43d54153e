//! The messaging port: publish, durable subscribe, relay and inbox
