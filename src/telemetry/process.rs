//! What the kernel knows of this process, read when somebody asks for it.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::metrics::{Description, PROCESS_FDS, PROCESS_MEMORY, PROCESS_START};

/// A collector over `/proc/self`.
#[derive(Debug)]
pub(super) struct Process {
    started: u64,
}

impl Process {
    /// To be made at the start of the program: that moment is the start time it reports.
    pub(super) fn now() -> Self {
        let started = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self { started }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |row: &Description, value: u64| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(row.name, row.help, None, gauge.metric_type())?)
        };
        gauge(&PROCESS_START, self.started)?;
        if let Some(bytes) = resident_bytes() {
            gauge(&PROCESS_MEMORY, bytes)?;
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            gauge(&PROCESS_FDS, entries.count() as u64)?;
        }
        Ok(())
    }
}

/// Resident memory in bytes (`VmRSS` of `/proc/self/status`, which counts in KiB); none off Linux.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_resident_memory() {
        let bytes = resident_bytes().unwrap();
        assert!((100_000..100_000_000_000).contains(&bytes), "{bytes}");
    }
}
