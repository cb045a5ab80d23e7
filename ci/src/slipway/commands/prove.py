"""Test migrations: gate, services, certificate, rehearse."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from slipway.commands.command import Caller, Flags, Group, JsonRecord, command, file, option, switch
from slipway.commands.flags import ALEMBIC, CHANGED, PYTHON, REPORT, SOURCE, TARGETS, day
from slipway.errors import BadInputError, within

if TYPE_CHECKING:
    from slipway.local.prove import GateOptions
    from slipway.records.proof import Layer, Proof
    from slipway.records.services import Proofs
    from slipway.report.answers.result import CommandResult

_WHOLE = "it runs all layers, and the engine caches the proof"
_LISTED = "listing the revisions needs the service's own Python; on Dagger the gate reads them"


def _gate_ahead(flags: Flags) -> AbstractContextManager[object]:
    from slipway.local.start import gate_ahead

    return nullcontext() if flags.all_services else gate_ahead(flags.source, flags.python)


@command(
    Group.TEST,
    "Test a service's migrations by executing them on an ephemeral Postgres",
    around=_gate_ahead,
    flags=(
        SOURCE,
        *ALEMBIC,
        option(
            "database-url",
            "URL",
            "a Postgres server on which the gate may create databases (default: it starts one)",
            not_on_dagger="the engine starts a Postgres of each version asked for",
        ),
        switch(
            "allow-production-like",
            "accept a --database-url that looks like production",
            not_on_dagger="there is no --database-url",
        ),
        option(
            "since",
            "REVISION|REF",
            "test only revisions newer than this revision or git ref; older ones run untested. `merge-base` is where HEAD left the default branch. Default on a branch: merge-base. Default on the default branch: revisions that are not committed or not pushed; if there are none, those that the newest release tag of the last year lacks; if there are none, those after the setting start-after, or without that setting the newest revision",
            one_of="tested",
            on_dagger="name a revision, since the workspace has no git history",
            dagger_default="all after start-after",
        ),
        switch(
            "all-revisions",
            "test every revision, also released ones and those that the setting start-after excludes",
            one_of="tested",
            not_on_dagger="without --since it tests all after start-after",
        ),
        switch(
            "all-services",
            "test every service of the repository, each with its own settings: every folder in DIR with a table [tool.slipway]",
            one_of="release",
            not_on_dagger="name one with --path; `slipway services` lists them",
        ),
        replace(CHANGED, sentence=f"with --all-services: {CHANGED.sentence}"),
        file(
            "statements",
            "the statements of the previous release, recorded by `pytest --slipway-record=FILE` (default: derived from the models at the commit that --since names or chooses)",
            one_of="release",
            dagger_default="derived from the models in --previous",
        ),
        option(
            "layers",
            "LAYER,…",
            "which of these layers of checks to run: trace (locks), rows (with data), together (all revisions in one run of alembic), interruption (stopped and run again), previous (statements of the previous release), concurrency (default: all); graph, stairway (up, down, up) and drift always run; `--layers always` runs only these",
            one_of="layers",
            not_on_dagger=_WHOLE,
        ),
        switch(
            "quick",
            "run only the layers graph, stairway and drift, as `--layers=always` does",
            one_of="layers",
            not_on_dagger=_WHOLE,
        ),
        option(
            "advisory",
            "DATE",
            "to introduce the gate gradually: before this day (YYYY-MM-DD, UTC) errors do not fail the command, which exits with 0; from this day on they do",
            parse=day,
            not_on_dagger="it returns the report even if there are errors",
        ),
        PYTHON,
        replace(
            REPORT,
            sentence="write the proof into this folder, for people (the page index.html, Markdown, text), CI servers and editors",
        ),
    ),
    records=(
        JsonRecord("proof", "1 when an error was found, 0 with `--advisory`"),
        JsonRecord("proofs", "with `--all-services`; the worst exit code of all"),
    ),
    cache="session",
)
async def gate(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report import files
    from slipway.report.answers.prove import of_proof

    if flags.report:
        files.check(flags.report)
    if flags.all_services:
        return await _every_service(flags, caller)
    if flags.changed:
        raise BadInputError("--changed chooses among several services", "pass --all-services, too")

    try:
        proof = await _proof(flags, caller)
    except Exception as error:
        if flags.report and (known := within(error)) is not None:
            files.write(flags.report, files.of_refusal(known))
        raise
    if flags.report:
        files.write(flags.report, files.of_proof(proof))
    return of_proof(proof)


async def _every_service(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report import files
    from slipway.report.answers.prove import of_proofs

    proofs = await _every_proof(flags, caller)
    if flags.report:
        files.write(flags.report, files.of_proofs(proofs))
    return of_proofs(proofs)


async def _proof(flags: Flags, caller: Caller) -> "Proof":
    """Return the proof of the service in the folder `flags.source`. Raise SlipwayError when none can be made."""
    from slipway.local.start import gate_started

    named = layers_of(flags.layers) if flags.layers is not None else None
    with caller.progress.step("testing the migrations"):
        async with gate_started(flags.source, flags.python, caller.progress) as place:
            # import here, because the gate's process imports at the same time
            from slipway.local.gate import gate as prove_folder
            from slipway.local.prove import NamedServer
            from slipway.records.proof import Layer

            proof = await prove_folder(
                replace(
                    options_of(flags),
                    since=flags.since,
                    everything=flags.all_revisions,
                    server=NamedServer.of(flags.database_url, allow_production_like=flags.allow_production_like),
                    progress=caller.progress,
                ),
                place=place,
                statements=flags.statements,
                layers=(Layer.ALWAYS,) if flags.quick else named or tuple(Layer),
            )
    early = flags.advisory and datetime.now(timezone.utc).date() < flags.advisory
    return replace(proof, advisory=flags.advisory.isoformat()) if early else proof


async def _every_proof(flags: Flags, caller: Caller) -> "Proofs":
    """Return the proofs of all services below the folder, made one after the other.

    When one fails, the others are still made.
    """
    from anyio import to_thread

    from slipway.finder.tree import repository_of
    from slipway.local.services import services_in
    from slipway.records.refusal import Refusal
    from slipway.records.services import Proofs, ServiceProof
    from slipway.source.commit import folder_of

    folder = folder_of(flags.source)
    listed = await to_thread.run_sync(services_in, folder, flags.changed)
    proofs = []
    for service in listed.services:
        caller.progress.section(service.folder)
        of_service = Flags(**vars(flags) | {"source": repository_of(folder) / service.folder})
        try:
            proofs.append(ServiceProof(service.folder, await _proof(of_service, caller)))
        except Exception as error:
            if (known := within(error)) is None:
                raise
            proofs.append(ServiceProof(service.folder, refusals=Refusal.every(known)))
    return Proofs(tuple(proofs), tuple(service.folder for service in listed.unchanged), listed.since)


def options_of(flags: Flags) -> "GateOptions":
    """Return the options that name the service, its virtual environment, and the arguments of alembic."""
    from slipway.local.prove import AlembicOptions, GateOptions

    alembic = AlembicOptions(config=flags.config, section=flags.section, x_arguments=tuple(flags.x_argument or ()))
    return GateOptions(source=flags.source, alembic=alembic, python=flags.python)


def layers_of(names: str) -> "tuple[Layer, ...]":
    """Read the names of layers. Raise BadInputError for an unknown name."""
    from slipway.records.proof import Layer

    try:
        return tuple(Layer(name.strip()) for name in names.split(","))
    except ValueError:
        known = ", ".join(layer.value for layer in Layer)
        raise BadInputError(f"--layers {names} names an unknown layer", f"use some of {known}") from None


@command(
    Group.TEST,
    "List the services of a repository: every folder with settings of slipway, in pyproject.toml or slipway.toml",
    flags=(replace(SOURCE, sentence="the folder to search (default: the current folder)"), CHANGED),
    records=(JsonRecord("services", "folders are relative to the repository"),),
    not_on_dagger="a CI matrix needs the list before its jobs start; each job calls Dagger with its --path",
)
async def services(flags: Flags, _caller: Caller) -> "CommandResult":
    from anyio import to_thread

    from slipway.local.services import check_tables, services_in
    from slipway.report.answers.prove import of_services
    from slipway.source.commit import folder_of

    folder = folder_of(flags.source)
    await to_thread.run_sync(check_tables, folder)
    return of_services(await to_thread.run_sync(services_in, folder, flags.changed))


@command(
    Group.TEST,
    "Print a certificate made from a proof, or check a certificate, which says whether a release works on a schema newer or older than its own",
    flags=(
        replace(SOURCE, not_on_dagger=_LISTED),
        file("proof", "certify this proof.json, written by `slipway gate --report`"),
        file("check", "check that this certificate matches the revisions in the folder", not_on_dagger=_LISTED),
        option(
            "live",
            "REVISION",
            "with --check: the revision of the live database; repeat it for each head",
            repeated=True,
            not_on_dagger=_LISTED,
        ),
        *(replace(flag, not_on_dagger=_LISTED) for flag in ALEMBIC),
        replace(PYTHON, not_on_dagger=_LISTED),
    ),
    records=(
        JsonRecord("certificate", "with `--proof`; 1 and a refusal when the pair is not proven"),
        JsonRecord("validity", "with `--check`; 1 when the certificate does not hold"),
    ),
)
async def certificate(flags: Flags, caller: Caller) -> "CommandResult":
    import time

    from slipway.local.certificate import certify, why_not
    from slipway.local.gate import revisions
    from slipway.records.certificate import Certificate, Validity
    from slipway.report.answers import prove as answers

    proof = await caller.text(flags.proof, "the proof") if flags.proof else None
    if flags.check is None:
        if proof is None:
            raise BadInputError(
                "there is nothing to certify", "pass a proof with --proof, or a certificate with --check"
            )
        return answers.of_certificate(certify(proof, int(time.time())))
    certified = await caller.record(Certificate, flags.check, "the certificate")
    listing = await revisions(replace(options_of(flags), everything=True))
    problem = why_not(certified, listing, flags.live, proof)
    return answers.of_validity(Validity(problem, certified.before, certified.after))


@command(
    Group.TEST,
    "Rehearse a release, and bad releases made from the patches in the settings, on a simulated AWS account",
    flags=(
        SOURCE,
        file(
            "settings",
            "a TOML file with [tool.slipway], used instead of the service's own",
            not_on_dagger="the workspace holds the settings",
        ),
        option(
            "target",
            "TARGET",
            f"the platform: {' or '.join(TARGETS)} (default: that of production in the settings, or the one of all other environments, otherwise {TARGETS[0]})",
            choices=TARGETS,
        ),
        replace(
            PYTHON,
            sentence="a virtual environment in which every release runs, such as .venv (default: one made from each release's lock)",
            not_on_dagger="each release runs in its image",
        ),
        replace(REPORT, sentence="write the page rehearsal.html, rehearsal.txt and rehearsal.json into this folder"),
    ),
    records=(JsonRecord("rehearsal", "1 when an act did not go as planned"),),
)
async def rehearse(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.rehearsal.local import rehearse
    from slipway.report import files
    from slipway.report.answers.release import of_rehearsal

    if flags.report:
        files.check(flags.report)
    rehearsal = await rehearse(flags.source, caller.progress, flags.settings, flags.target, flags.python)
    if flags.report:
        files.write(flags.report, files.of_rehearsal(rehearsal))
        caller.progress.section(f"the page: {flags.report / 'rehearsal.html'}")
    return of_rehearsal(rehearsal)
