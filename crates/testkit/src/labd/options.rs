//! The daemon's command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::Parser;

/// Serves the lab's DNS names and its faulty registries.
#[derive(Debug, Clone, Parser)]
#[command(name = "labd")]
pub struct Options {
    /// Address of the DNS server and of every listening port
    #[arg(long, value_name = "IP")]
    pub listen_ip: Ipv4Addr,

    /// Folder for `ca.pem`, `client.pem`, `client.key`, `jwks.json` and `control.sock`
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,

    /// Port of the DNS server (UDP and TCP); 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 53)]
    pub dns_port: u16,

    /// Address on which nothing listens, for hosts with `listen: refuse`
    #[arg(long, value_name = "IP")]
    pub refuse_ip: Option<Ipv4Addr>,

    /// Address whose packets the lab drops, for hosts with `listen: drop`
    #[arg(long, value_name = "IP")]
    pub drop_ip: Option<Ipv4Addr>,

    /// Clients outside of the company, for whom no declared name exists
    #[arg(long, value_name = "IP")]
    pub outsider: Vec<IpAddr>,

    /// Static busybox for the images; without it they pull and cannot run
    #[arg(long, value_name = "FILE")]
    pub busybox: Option<PathBuf>,
}
