//! Typed endpoints: the HTTP server, the native client and the browser client from one value
