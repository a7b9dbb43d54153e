//! What the operating system and the start tell about this process.
#![expect(clippy::disallowed_methods, reason = "the start of the process is before every context")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Linux tells processor time in these, whatever the kernel's own tick: `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process, read when it is asked for. What the system does not tell is left out.
#[derive(Debug)]
pub(crate) struct Process {
    began_wall: SystemTime,
    began: Instant,
}

impl Process {
    pub(crate) fn new() -> Self {
        Self { began_wall: SystemTime::now(), began: Instant::now() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let start = self.began_wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let uptime = self.began.elapsed().as_secs_f64();
        let seconds = Some(&Unit::Seconds);
        gauge(
            &mut encoder,
            "process_start_time",
            seconds,
            "When the process set its telemetry up",
            Some(start),
        )?;
        gauge(&mut encoder, "process_uptime", seconds, "How long ago that was", Some(uptime))?;
        let bytes = Some(&Unit::Bytes);
        let resident = status("VmRSS:").map(|kib| kib * 1_024.0);
        gauge(
            &mut encoder,
            "process_resident_memory",
            bytes,
            "Memory that is in use and resident",
            resident,
        )?;
        gauge(&mut encoder, "process_threads", None, "Threads", status("Threads:"))?;
        gauge(&mut encoder, "process_open_fds", None, "Open file descriptors", open_fds())?;
        gauge(&mut encoder, "process_max_fds", None, "File descriptors that may be open", max_fds())?;
        cpu_seconds().map_or(Ok(()), |spent| {
            let cpu = ConstCounter::new(spent);
            let help = "Processor time that was spent, by user and system together";
            cpu.encode(encoder.encode_descriptor("process_cpu", help, seconds, cpu.metric_type())?)
        })
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    unit: Option<&Unit>,
    help: &str,
    value: Option<f64>,
) -> std::fmt::Result {
    let Some(value) = value else { return Ok(()) };
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

/// The number after `field` in `/proc/self/status`.
fn status(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_fds() -> Option<f64> {
    // The listing itself holds one of them open.
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(open).ok().map(f64::from)
}

fn max_fds() -> Option<f64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may contain blanks. After it come the state and ten numbers before
    // the user's and the system's time.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}
