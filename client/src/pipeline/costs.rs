//! What a run cost, for people.

use crate::console::Console;
use crate::record::RunRecord;
use crate::usage::Usage;

/// Where time and bytes went.
pub(super) fn say_costs(record: &RunRecord, console: &Console) {
    for stage in &record.stages {
        console.note(format_args!("{:>9.2} s  {}", stage.seconds, stage.name));
    }
    console.note(format_args!("{:>9.2} s  in all", record.seconds));
    if record.bytes_uploaded > 0 {
        console.note(format_args!(
            "{:.1} MiB uploaded, {:.1} MiB downloaded",
            mebibytes(record.bytes_uploaded),
            mebibytes(record.bytes_downloaded)
        ));
    }
    say_usage("here", &record.usage, console);
    if let Some(server) = &record.server {
        say_usage("in the server", &server.usage, console);
    }
}

fn say_usage(place: &str, usage: &Usage, console: &Console) {
    let Usage { peak_memory, peak_anonymous_memory, cpu_seconds } = *usage;
    if let (Some(all), Some(allocated), Some(cpu)) =
        (peak_memory, peak_anonymous_memory, cpu_seconds)
    {
        console.note(format_args!(
            "{place}: {cpu:.1} s of processor time; at most {:.0} MiB of memory, {:.0} MiB of it allocated",
            mebibytes(all),
            mebibytes(allocated)
        ));
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
