//! The lab's DNS, and the fault daemon that serves it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cgroup;
use crate::exec;
use crate::net::{self, Namespace};
use crate::paths;
use crate::registries::REGISTRIES;
use crate::state::State;

/// Starts the lab's DNS.
///
/// # Errors
/// When it does not start.
pub fn start(state: &mut State, outer: &Namespace) -> Result<()> {
    let log = paths::data("logs/dns.log");
    let mut argv = outer.enter();
    argv.extend([
        "dnsmasq".to_owned(), "--keep-in-foreground".into(), "--no-resolv".into(), "--no-hosts".into(),
        "--conf-file=/dev/null".into(), "--pid-file=".into(), "--user=root".into(),
        "--bind-interfaces".into(), "--log-facility=-".into(),
        format!("--listen-address={}", net::LABD),
    ]);
    for registry in &REGISTRIES {
        argv.push(format!("--host-record={},{}", registry.host, registry.address));
    }
    // Authoritative for everything: unknown names do not exist.
    argv.push("--local=/#/".into());
    let pid = exec::daemon(&argv, &[], &log, &cgroup::procs_file())?;
    state.add_process("dns", pid, &log)?;
    let up = exec::wait_until(Duration::from_secs(5), Duration::from_millis(50), || {
        outer.run(["sh", "-c", "ss -lun | grep -q ':53 '"]).is_ok() || !Path::new(&format!("/proc/{pid}")).exists()
    });
    if !up || state.pid("dns").is_none() {
        bail!("DNS does not start: {}", exec::last_lines(&fs::read_to_string(&log).unwrap_or_default(), 3));
    }
    Ok(())
}
