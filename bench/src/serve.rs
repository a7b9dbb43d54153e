//! The servers that the HTTP benchmark measures, each a process of its own: `bench serve NAME PORT [FOLDER]`.
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use staffa::settings::Flags;

pub(crate) mod constant;
pub(crate) mod product;

/// Serves until it is killed.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (Some(name), Some(port)) = (arguments.first(), arguments.get(1)) else {
        anyhow::bail!("usage: bench serve NAME PORT [FOLDER]");
    };
    let port = port.parse().context("the port is a number")?;
    let folder = Path::new(arguments.get(2).map_or("", String::as_str));
    match name.as_str() {
        "constant-axum" => constant::axum(port),
        "constant-staffa" => Ok(constant::staffa().run_with(&flags(port, folder, 1.0))),
        "constant-staffa-unsampled" => Ok(constant::staffa().run_with(&flags(port, folder, 0.0))),
        "product-axum" => product::axum(port, folder),
        "product-staffa" => Ok(product::staffa().run_with(&flags(port, folder, 1.0))),
        "product-staffa-unsampled" => Ok(product::staffa().run_with(&flags(port, folder, 0.0))),
        other => anyhow::bail!("there is no server `{other}`"),
    }
}

/// The settings' defaults but for the ports, the data's folder and the share of traces that are recorded.
fn flags(port: u16, folder: &Path, sample: f64) -> Flags {
    Flags {
        port: Some(port),
        admin_port: Some(0),
        store: Some(format!("sqlite:{}", folder.display())),
        set: vec![format!("trace.sample={sample}")],
        ..Flags::default()
    }
}

/// Serves an axum router as its first page shows.
fn serve(port: u16, router: axum::Router, blocking_threads: usize) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(blocking_threads)
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        axum::serve(listener, router).await
    })?;
    Ok(ExitCode::SUCCESS)
}
