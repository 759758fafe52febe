//! `cargo xtask test`: every test there is, the real cluster last.

use std::env;

use anyhow::{Result, bail};

use crate::run::{cargo, step};

/// How long new cases may be started on the real cluster, in minutes.
const LAB_MINUTES: &str = "12";

/// Runs the workspace's tests, then the cases on the real cluster.
///
/// Where the machine cannot run the lab its tests are skipped, and said to be at the end; with
/// `CI=true` that is a failure.
pub(crate) fn run(without_lab: bool) -> Result<()> {
    let in_ci = env::var("CI").is_ok_and(|value| value == "true");
    let missing = pulldoctor_lab::prerequisites().err();
    if missing.is_none() && !without_lab {
        // Before the workspace's tests: some of them ask the Go programs that it builds.
        step("lab build", cargo(&["xtask", "lab", "build"]))?;
    }
    // Building it tries it out: packed, unpacked by its stub, and started. The tool of the tests
    // and of the lab carries it.
    crate::probe::run()?;
    step(
        "tests",
        cargo(&["test", "--workspace", "--locked", "--quiet"]),
    )?;
    match missing {
        _ if without_lab => println!("skipped: cases on the real cluster (--without-lab)"),
        Some(missing) if in_ci => bail!("the lab cannot run here, and CI needs it: {missing}"),
        Some(missing) => println!("skipped: cases on the real cluster ({missing})"),
        None => {
            // The tests before have built the tool and the fault daemon, and another choice of
            // packages would mean other features: dozens of crates once more.
            step(
                "lab selftest",
                cargo(&["xtask", "lab", "selftest", "--no-build"]),
            )?;
            let tested = step(
                "lab test",
                cargo(&[
                    "xtask",
                    "lab",
                    "test",
                    "--no-build",
                    "--minutes",
                    LAB_MINUTES,
                ]),
            );
            let down = step("lab down", cargo(&["xtask", "lab", "down"]));
            tested.and(down)?;
        }
    }
    Ok(())
}
