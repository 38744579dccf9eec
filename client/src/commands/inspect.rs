//! `hegwas inspect`.

use crate::Result;
use crate::cli::inspect::InspectArgs;
use crate::console::Console;
use crate::inspect::report;

/// Says what files are.
///
/// # Errors
/// When a file can't be read or something in it does not verify.
pub fn inspect(args: &InspectArgs, console: &Console) -> Result<()> {
    let mut reports = Vec::new();
    for path in &args.files {
        let report = report(path, console)?;
        if !console.json() {
            console.print(report.text())?;
        }
        reports.push(report);
    }
    if console.json() { console.print_json(&reports) } else { Ok(()) }
}
