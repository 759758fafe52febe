//! `cargo xtask lab …`

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use pulldoctor_lab::runner::{self, Elsewhere, Options};
use pulldoctor_lab::{binaries, kills, lifecycle, selftest, shell};

/// What to do with the lab.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Build the lab's binaries into the cache and install missing Debian packages
    Build,
    /// Boot the lab
    Up {
        /// Do not build the tool and the fault daemon first
        #[arg(long)]
        no_build: bool,
    },
    /// Remove everything that the lab made on this machine
    Down,
    /// Show the lab's parts and whether they run
    Status,
    /// Run cases on the real cluster and compare what the tool says with what they expect
    Test(TestArguments),
    /// Run cases and store the evidence that the tool records
    Record {
        /// Cases, by the name of their folder (`image-*` for a prefix)
        #[arg(required = true)]
        cases: Vec<String>,
        /// Do not build the tool and the fault daemon first
        #[arg(long)]
        no_build: bool,
    },
    /// Crash the lab in several ways and see that `down` leaves nothing of it
    Selftest {
        /// Do not build the tool and the fault daemon first
        #[arg(long)]
        no_build: bool,
    },
    /// Kill looks from nodes at random moments and see that the next run leaves nothing of them
    Kills {
        /// How many
        #[arg(long, default_value_t = 50)]
        times: usize,
        /// Do not build the tool first
        #[arg(long)]
        no_build: bool,
    },
    /// Open a shell on the lab's workstation, with kubectl and pulldoctor at hand
    Shell {
        /// A node instead of the workstation
        #[arg(default_value = "ws")]
        node: String,
    },
}

/// What to test.
#[derive(Args)]
pub(crate) struct TestArguments {
    /// Cases, by the name of their folder (`image-*` for a prefix); all otherwise
    cases: Vec<String>,
    /// A case, as the positional ones
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// Folder of cases instead of the repository's own
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Run the slow cases as well
    #[arg(long)]
    all: bool,
    /// How many cases run at a time
    #[arg(long, short, default_value_t = 4)]
    jobs: usize,
    /// Start no new case after so many minutes
    #[arg(long)]
    minutes: Option<u64>,
    /// Only inject and wait, do not run the tool
    #[arg(long)]
    without_tool: bool,
    /// Do not build the tool and the fault daemon first
    #[arg(long)]
    no_build: bool,
    /// Run on the cluster of this kubeconfig context instead of the lab's
    #[arg(long, env = "PULLDOCTOR_LAB_CONTEXT")]
    context: Option<String>,
    /// There: an image with a tag that anybody may pull and that keeps running
    /// [default: registry.k8s.io/pause:3.10]
    #[arg(long, env = "PULLDOCTOR_LAB_IMAGE", hide_env_values = true)]
    image: Option<String>,
    /// There: an image that is refused without a login
    #[arg(long, env = "PULLDOCTOR_LAB_PRIVATE_IMAGE", hide_env_values = true)]
    private_image: Option<String>,
}

impl Command {
    /// Whether the tool is built, which then carries the node probe.
    fn builds_tool(&self) -> bool {
        match self {
            Self::Up { no_build }
            | Self::Record { no_build, .. }
            | Self::Selftest { no_build }
            | Self::Kills { no_build, .. } => !no_build,
            Self::Test(arguments) => !arguments.no_build && !arguments.without_tool,
            Self::Build | Self::Down | Self::Status | Self::Shell { .. } => false,
        }
    }
}

/// Runs a lab command.
pub(crate) fn run(command: Command) -> Result<()> {
    if command.builds_tool() {
        crate::probe::run()?;
    }
    match command {
        Command::Build => {
            println!("lab: binaries are in {}", binaries::build()?.display());
            Ok(())
        }
        Command::Up { no_build } => lifecycle::up(no_build),
        Command::Down => lifecycle::down(),
        Command::Status => lifecycle::status(),
        Command::Test(mut arguments) => {
            arguments.cases.append(&mut arguments.only);
            runner::run(&Options {
                cases: arguments.cases,
                dir: arguments.dir,
                all: arguments.all,
                jobs: arguments.jobs,
                minutes: arguments.minutes,
                without_tool: arguments.without_tool,
                no_build: arguments.no_build,
                record: false,
                elsewhere: arguments
                    .context
                    .filter(|context| !context.is_empty())
                    .map(|context| Elsewhere {
                        context,
                        public_image: arguments.image,
                        private_image: arguments.private_image,
                    }),
            })
        }
        Command::Record { cases, no_build } => runner::run(&Options {
            cases,
            record: true,
            no_build,
            ..Options::default()
        }),
        Command::Selftest { no_build } => selftest::run(no_build),
        Command::Kills { times, no_build } => kills::run(times, no_build),
        Command::Shell { node } => shell::open(&node),
    }
}
