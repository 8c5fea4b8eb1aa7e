"""`iqstream demo`: the whole main job in one command."""

import asyncio
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from iqstream.cli.console import Console
from iqstream.cli.dashboard_beside import dashboard_beside, serve_until_ctrl_c
from iqstream.cli.door import with_client
from iqstream.cli.spec_limits import whole_number
from iqstream.cli.stack import start_stack, state_dir_option
from iqstream.cli.watch_display import show_progress
from iqstream.client.asynchronous import AsyncClient
from iqstream.embedded import stack
from iqstream.runtime.errors import Failed
from iqstream.runtime.settings import load_settings, only_embedded
from iqstream.submit.room import needed_bytes
from iqstream.submit.spec import make_spec
from schemas import Capture, DatasetSpec


@click.command(epilog="Example: iqstream demo --samples 50 --keep-up")
@click.option(
    "--samples", type=whole_number(DatasetSpec, "samples"), default=200, show_default=True, help="Samples to generate."
)
@click.option(
    "--seed", type=whole_number(DatasetSpec, "seed"), default=0, show_default=True, help="Seed of everything random."
)
@click.option(
    "--capture-ms", type=whole_number(Capture, "capture_ms"), default=1000, show_default=True, help="Recording, ms."
)
@click.option("--dashboard", "with_dashboard", is_flag=True, help="Serve the dashboard beside it, until Ctrl-C.")
@click.option("--keep-up", is_flag=True, help="Leave the servers running at the end.")
@state_dir_option
def demo(
    samples: int,
    seed: int,
    capture_ms: int,
    with_dashboard: bool,  # noqa: FBT001
    keep_up: bool,  # noqa: FBT001
    state_dir: Path,
) -> None:
    """Run the whole job on embedded servers: generate, extract, filter, store, and show what came of it.

    On the way it kills an extractor; at the end it checks that nothing was lost or doubled, and exits 1 otherwise.
    Starts Kafka, PostgreSQL and an S3 server if they are not up, and stops them at the end if it started them; the
    data stays. With --dashboard its pages can be opened while the job runs; they are served until Ctrl-C.
    """
    from iqstream.cli.demo_screen import show_demo
    from iqstream.demo.run import demo_name, run_demo  # brings matplotlib and scipy

    console = Console()
    spec = make_spec(
        name=demo_name(datetime.now().astimezone()),
        samples=samples,
        seed=seed,
        capture={"capture_ms": capture_ms},
    )
    console.print("Starting Kafka, PostgreSQL and S3", style="bold")
    info = start_stack(console, state_dir, needed_bytes(spec))
    try:
        environ = only_embedded(state_dir)
        settings = load_settings(environ)
        with_client(AsyncClient.initialise, settings)
        console.print(f"Generating {samples} samples, heard by {len(spec.receivers)} receivers each", style="bold")
        show = partial(show_progress, console=console)
        with dashboard_beside(environ, console) if with_dashboard else nullcontext() as beside:
            results = asyncio.run(run_demo(settings, environ, spec, show, state_dir))
            if beside is not None:
                show_demo(results, console, state_dir=state_dir, servers_stay=True)
                serve_until_ctrl_c(beside, console)
    finally:
        if not info.was_up and not keep_up:
            stack.down(state_dir)
    if not with_dashboard:
        show_demo(results, console, state_dir=state_dir, servers_stay=info.was_up or keep_up)
    if problems := results.completeness.problems():
        raise Failed(f"the dataset is not there exactly once: {'; '.join(problems)}. See {state_dir / 'logs'}.")
