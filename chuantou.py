"""The command line. Every command imports what it needs when it runs, so that `chuantou --help` answers at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2

app = typer.Typer(
    help="Chuantou: see the goods that secure a loan.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"chuantou: {message}", err=True)
    raise typer.Exit(code)


def _seconds(text: str | None) -> float | None:
    """90, 90s, 2m or 1h in seconds."""
    if text is None:
        return None
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        value = float(number) * units[unit]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 90s, 2m or 1h") from None
    if not 0 < value < 1e7:
        raise typer.BadParameter("the time must be greater than 0")
    return value


def _embedded(run: Callable[[], int]) -> NoReturn:
    """Run a command of the one-machine stack; its errors are for the person at the terminal."""
    from db.edition import StoreTooOld
    from db.embedded import EmbeddedServerError
    from db.migrate import MigrationChanged
    from ingest.embedded_broker import EmbeddedBrokerError
    from simulators.embedded.place import StackRunsAlready
    from simulators.embedded.supervisor import StackFailed

    try:
        code = run()
    except (StackFailed, StackRunsAlready, EmbeddedServerError, EmbeddedBrokerError) as exc:
        _fail(str(exc), EXIT_FAILED)
    except (MigrationChanged, StoreTooOld) as exc:
        _fail(str(exc), EXIT_MISCONFIGURED)
    raise typer.Exit(code)


@app.command()
def demo(
    for_: Annotated[
        str | None, typer.Option("--for", help="Stop after this time from the moment the clock runs, such as 90s or 5m")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the closing report here")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same world and incidents", min=0)] = 1,
    speed: Annotated[float, typer.Option(help="How many times as fast as the wall clock the world runs", min=1, max=100_000)] = 1440.0,
    data_dir: Annotated[Path | None, typer.Option(help="Emptied at the start; default .chuantou/demo in the checkout")] = None,
) -> None:
    """Everything on this machine: a sample world around Shanghai, its incidents, a live status. Ctrl-C stops."""
    from simulators.embedded.demo import DemoOptions, run_demo

    options = DemoOptions(_seconds(for_), json, seed, speed, data_dir)
    _embedded(lambda: run_demo(options))


@app.command()
def up(
    data_dir: Annotated[Path | None, typer.Option(help="Where data is kept; default .chuantou/up in the checkout")] = None,
    tenant: Annotated[str, typer.Option(help="Name of the tenant that the first start makes")] = "main",
    api_port: Annotated[int | None, typer.Option(help="Port of desk and API; default 8000, or a free one", min=1, max=65535)] = None,
    broker_port: Annotated[int | None, typer.Option(help="Port of the broker; default 1883, or a free one", min=1, max=65535)] = None,
) -> None:
    """Everything on this machine for real use: no sample data, data kept, the first start makes an administrator."""
    from simulators.embedded.up import UpOptions, run_up

    _embedded(lambda: run_up(UpOptions(data_dir, tenant, api_port, broker_port)))


@app.command()
def migrate() -> None:
    """Bring the store to the newest schema. Safe to run again, and from two places at once."""
    import psycopg

    from db.edition import StoreTooOld
    from db.migrate import MigrationChanged
    from db.migrate import migrate as run
    from simulators.embedded.operator_settings import OperatorSettings

    try:
        url = OperatorSettings().database_url
    except OSError as exc:
        _fail(f"cannot read a setting's file: {exc}", EXIT_MISCONFIGURED)
    if url is None:
        _fail("no store is named: set CHUANTOU_DATABASE_URL or CHUANTOU_DATABASE_URL_FILE", EXIT_MISCONFIGURED)
    try:
        report = run(url.get_secret_value())
    except (MigrationChanged, StoreTooOld) as exc:
        _fail(str(exc), EXIT_MISCONFIGURED)
    except psycopg.Error as exc:
        _fail(f"the store refused: {str(exc).strip()}", EXIT_FAILED)
    edition = report.edition
    typer.echo(f"applied {', '.join(report.applied) or 'nothing, the schema is the newest'}")
    typer.echo(f"store: {edition.name.value}, PostgreSQL {edition.server_version}, TimescaleDB {edition.timescale_version or 'none'}")


@app.command()
def ingest() -> None:
    """One ingest worker. Settings: docs/settings.md."""
    from ingest.__main__ import main as run

    raise typer.Exit(run())


@app.command()
def risk() -> None:
    """One risk process; one of them leads, the others stand by. Settings: docs/settings.md."""
    from risk.__main__ import main as run

    raise typer.Exit(run())


@app.command()
def api() -> None:
    """One API process with the web desk. Settings: docs/settings.md."""
    from api.__main__ import main as run

    raise typer.Exit(run())


class _WithScenarios(TyperCommand):
    """A command whose help ends with the scenarios; they are read only when somebody asks."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from simulators.scenario import shipped

        lines = ["Scenarios:", *(f"{s.name}: {s.title}." for s in shipped())]
        self.epilog = "\n\n".join(lines)  # an empty line between them, or the formatter would join them
        super().format_help(ctx, formatter)


@app.command(cls=_WithScenarios)
def simulate(
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="all, none, or names separated by commas; default CHUANTOU_SIM_SCENARIO")
    ] = None,
    load: Annotated[bool, typer.Option("--load", help="Load the sample world first, unless the state file says that it is loaded")] = False,
) -> None:
    """The simulated devices of the sample world, playing SCENARIO, until SIGTERM. Settings: docs/settings.md."""
    from simulators.__main__ import simulate as run
    from simulators.scenario import ScenarioError, choose

    try:
        if scenario is not None:
            choose(scenario)
    except ScenarioError as exc:
        _fail(str(exc), EXIT_MISCONFIGURED)
    raise typer.Exit(run(scenario, load=load))


@app.command("broker-files")
def broker_files(
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and write them again whenever a device changes")] = False,
) -> None:
    """Write the broker's password and ACL files from the device registry. Settings: docs/settings.md."""
    from ingest.broker_files import main as run

    raise typer.Exit(run(watch=watch))


@app.command()
def replay(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Recorded payloads: .json one, .ndjson one a line")
    ],
    format_name: Annotated[str, typer.Option("--format", help="Format that the device is registered with, such as zebra-ziotc")],
    device: Annotated[str, typer.Option("--device", help="A registered device")],
    mqtt_url: Annotated[
        str | None, typer.Option(help="Broker with the device's credential; default CHUANTOU_MQTT_URL, or the demo here")
    ] = None,
) -> None:
    """Publish recorded payloads over MQTT as a registered device would."""
    from collateral.errors import ChuantouError
    from ingest.replay import replay as run
    from simulators.embedded.operator_settings import OperatorSettings
    from simulators.embedded.place import running_stack

    settings = OperatorSettings()
    here = running_stack(None) if settings.database_url is None else {}
    database_url = settings.database_url.get_secret_value() if settings.database_url else here.get("postgres")
    broker = mqtt_url or (settings.mqtt_url.get_secret_value() if settings.mqtt_url else here.get("replay"))
    if not database_url:
        _fail("no store is named: set CHUANTOU_DATABASE_URL, or start chuantou demo or up here", EXIT_MISCONFIGURED)
    if not broker:
        _fail("no broker is named: give --mqtt-url mqtt://DEVICE:SECRET@HOST:PORT or set CHUANTOU_MQTT_URL", EXIT_MISCONFIGURED)
    try:
        done = run(file, format_name=format_name, device_id=device, mqtt_url=broker, database_url=database_url)
    except (ChuantouError, OSError) as exc:
        _fail(str(exc), EXIT_FAILED)
    typer.echo(f"published {done.messages} messages")
    for topic, count in done.topics.items():
        typer.echo(f"  {count:>6}  {topic}")


@app.command()
def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="The data directory of an embedded stack to look at")] = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Audit the book instead: name each row that does not agree with the rest")
    ] = False,
    facility: Annotated[str | None, typer.Option(help="With --ledger: only this facility's book")] = None,
) -> None:
    """Check store, migrations, clock, disk, broker, certificates and ledger, and say how to mend each. Exit code 1 when something is wrong."""
    from simulators.embedded.doctor import Verdict, examine
    from simulators.embedded.operator_settings import OperatorSettings
    from simulators.embedded.place import running_stack

    try:
        settings = OperatorSettings()
    except OSError as exc:
        _fail(f"cannot read a setting's file: {exc}", EXIT_MISCONFIGURED)
    here = running_stack(data_dir) if settings.database_url is None else {}
    database_url = settings.database_url.get_secret_value() if settings.database_url else here.get("postgres")
    mqtt_url = settings.mqtt_url.get_secret_value() if settings.mqtt_url else here.get("monitor")
    if ledger:
        _audit_ledger(database_url, facility)
        return
    folder = data_dir or (Path(here["data_dir"]) if "data_dir" in here else None)
    checks = examine(database_url, mqtt_url, folder)
    for check in checks:
        typer.echo(f"{check.verdict.value:<12}{check.name:<14}{check.found}")
        if check.mend:
            typer.echo(f"{'':<12}{'':<14}-> {check.mend}")
    if any(check.verdict is Verdict.WRONG for check in checks):
        raise typer.Exit(EXIT_FAILED)


def _audit_ledger(database_url: str | None, facility: str | None) -> None:
    from collateral.errors import ChuantouError
    from simulators.embedded.doctor import audit_ledger

    if not database_url:
        _fail("no store is named: set CHUANTOU_DATABASE_URL or CHUANTOU_DATABASE_URL_FILE, or start `chuantou up`", EXIT_MISCONFIGURED)
    try:
        looked_at, faults = audit_ledger(database_url, facility)
    except ChuantouError as exc:
        _fail(str(exc), EXIT_FAILED)
    for fault in faults:
        typer.echo(str(fault))
    typer.echo(f"{looked_at} books: " + (f"{len(faults)} rows at fault" if faults else "hash chains, balances, money and goods agree"))
    if faults:
        typer.echo("-> stop posting, keep the database as it is, and compare these rows with the last backup")
        raise typer.Exit(EXIT_FAILED)


bench_app = typer.Typer(help="Measure, beside the physical limit of the same machine in the same run.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")


@bench_app.command("ingest")
def bench_ingest(
    json: Annotated[Path | None, typer.Option("--json", help="Write the results here")] = None,
    scale: Annotated[float, typer.Option(help="Of the number of messages; less = shorter and rougher", min=0.01, max=100)] = 1.0,
    minutes: Annotated[float, typer.Option(help="How long the worker's memory is watched at full rate; 0 = not", min=0, max=1440)] = 0.5,
    only: Annotated[list[str] | None, typer.Option(help="Only this figure, such as ingest_50; may be given several times")] = None,
) -> None:
    """Raw COPY, broker-only delivery, and the real worker with 1, 10, 50, 200 reads a message and with standing stock."""
    from simulators.bench.ingest import run_bench
    from simulators.bench.results import BenchFailed, write_json

    def run() -> int:
        try:
            results, store = run_bench(scale=scale, minutes=minutes, only=tuple(only or ()), say=typer.echo)
        except BenchFailed as exc:
            _fail(str(exc), EXIT_FAILED)
        if json is not None:
            write_json(results, json, {"store": store})
        return 0

    _embedded(run)


def main() -> None:
    """Entry point of the installed script."""
    app()


if __name__ == "__main__":
    main()
