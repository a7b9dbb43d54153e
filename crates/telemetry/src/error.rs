/// Why telemetry was not set up. None of these is temporary.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process has a log subscriber already: `install` is called once.
    #[error("logs are installed already")]
    AlreadyInstalled,
    /// The level is not a list of directives.
    #[error("log level {level:?}: {reason}")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The OTLP endpoint is not an `http://` URL.
    #[error("OTLP endpoint {endpoint:?}: {reason}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The sample ratio is not from 0 to 1.
    #[error("sample ratio {0} is not from 0 to 1")]
    SampleRatio(f64),
    /// The operating system gave no thread.
    #[error("no thread: {0}")]
    Thread(#[from] std::io::Error),
}
