//! What tokio tells about its runtimes.
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::runtime::{Handle, RuntimeMetrics};

/// The runtimes of the process, read when they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Runtimes(Mutex<Vec<(String, Handle)>>);

impl Runtimes {
    /// Reports `runtime` under this name from now on, in the place of one of the same name.
    pub(crate) fn watch(&self, name: &str, runtime: Handle) {
        let mut runtimes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runtimes.retain(|(known, _)| known != name);
        runtimes.push((name.to_owned(), runtime));
    }

    fn read(&self) -> Vec<(String, RuntimeMetrics)> {
        let runtimes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runtimes.iter().map(|(name, runtime)| (name.clone(), runtime.metrics())).collect()
    }
}

impl Collector for Runtimes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let runtimes = self.read();
        if runtimes.is_empty() {
            return Ok(());
        }
        gauge(&mut encoder, "tokio_workers", "Worker threads", &runtimes, RuntimeMetrics::num_workers)?;
        let help = "Tasks that have not ended";
        gauge(&mut encoder, "tokio_alive_tasks", help, &runtimes, RuntimeMetrics::num_alive_tasks)?;
        let help = "Tasks that wait in the queue that all workers share";
        gauge(&mut encoder, "tokio_global_queue_depth", help, &runtimes, RuntimeMetrics::global_queue_depth)?;
        busy(&mut encoder, &runtimes)
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    runtimes: &[(String, RuntimeMetrics)],
    read: impl Fn(&RuntimeMetrics) -> usize,
) -> std::fmt::Result {
    let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    runtimes.iter().try_for_each(|(name, runtime)| {
        let value = i64::try_from(read(runtime)).unwrap_or(i64::MAX);
        ConstGauge::new(value).encode(encoder.encode_family(&[("runtime", name.as_str())])?)
    })
}

fn busy(encoder: &mut DescriptorEncoder<'_>, runtimes: &[(String, RuntimeMetrics)]) -> std::fmt::Result {
    let help = "Time that the workers spent on tasks, all together";
    let mut encoder =
        encoder.encode_descriptor("tokio_workers_busy", help, Some(&Unit::Seconds), MetricType::Counter)?;
    runtimes.iter().try_for_each(|(name, runtime)| {
        let workers = 0..runtime.num_workers();
        let busy: f64 = workers.map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64()).sum();
        ConstCounter::new(busy).encode(encoder.encode_family(&[("runtime", name.as_str())])?)
    })
}
