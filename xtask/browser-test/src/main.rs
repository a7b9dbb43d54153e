//! Cargo's runner for tests built for wasm32: it drives the browser that `CHROMEDRIVER` names.

fn main() -> anyhow::Result<()> {
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())
}
