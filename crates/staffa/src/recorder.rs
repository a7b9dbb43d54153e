use staffa_context::Instruments;
use staffa_telemetry::{Capture, FinishedSpan, MetricsFormat, Telemetry};

/// What records a process: telemetry in `main`, a capture in tests.
#[derive(Clone, Debug)]
pub(crate) enum Recorder {
    Installed(Telemetry),
    Captured(Capture),
}

impl Recorder {
    pub(crate) fn instruments(&self, service: &str) -> Instruments {
        match self {
            Self::Installed(telemetry) => telemetry.instruments(service),
            Self::Captured(capture) => capture.instruments_of(service),
        }
    }

    pub(crate) fn metrics(&self, format: MetricsFormat) -> String {
        match self {
            Self::Installed(telemetry) => telemetry.metrics_text(format),
            Self::Captured(capture) => capture.metrics_text(format),
        }
    }
}

/// The spans of recent traces that ended in this process, of all its services.
#[derive(Clone, Debug)]
pub struct Recent(pub(crate) Recorder);

impl Recent {
    /// The spans of a trace, first begun first; empty when it is unknown, not sampled or no longer kept.
    pub fn trace(&self, trace_id: u128) -> Vec<FinishedSpan> {
        match &self.0 {
            Recorder::Installed(telemetry) => telemetry.recent(trace_id),
            Recorder::Captured(capture) => capture.recent(trace_id),
        }
    }
}
