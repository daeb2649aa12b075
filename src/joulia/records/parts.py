"""The parts of a record. Seconds, joules, watts, bytes; energies and times are those of a step."""

from __future__ import annotations

from dataclasses import dataclass, field

from joulia.records.starts import StartupEnergy


@dataclass(frozen=True)
class Summary:
    """Repeated measurements of one quantity, and what is sure of it."""

    samples: tuple[float, ...]
    """Every repeat, in order, in the unit of the part."""
    median: float
    """The median of the samples."""
    ci95: tuple[float, float] | None
    """Distribution-free 95 % interval of the median; null with fewer than 6 samples."""


SHORT = 0.5
"""The share of the window asked for below which one shows that its steps were miscounted."""


@dataclass(frozen=True)
class Timing(Summary):
    """Time of one step: the slowest rank, over windows of several steps."""

    unit: str
    """`s/step`."""
    steps_per_sample: int
    """Steps in one window."""


@dataclass(frozen=True)
class Carbon:
    """CO2e of a step, from a grid's intensity that the user named."""

    unit: str
    """`g/step`."""
    median: float
    """Grams of CO2e a step: the median joules times the intensity."""
    g_per_kwh: float
    """Grams of CO2e a kilowatt-hour."""
    site: str | None
    """The name in the site's file."""
    source: str
    """Who says so."""
    year: int | None
    """For which year."""


@dataclass(frozen=True)
class Waiting:
    """Joules of a step at work and at waiting for other ranks."""

    share: float
    """Share of the joules that went while ranks exchanged or waited, 0 to 1."""
    work: float
    """J/step at work."""
    waiting: float
    """J/step at waiting."""


@dataclass(frozen=True)
class DeviceUse:
    """How much of the windows a GPU computed, and what it drew while it did not."""

    utilisation: float | None
    """Share of the time in which a kernel ran, as the driver tells, 0 to 1."""
    waiting: float
    """Share of the time that ranks spent in exchange and imbalance, 0 to 1."""
    idle_share: float
    """Share of the time without work, 0 to 1."""
    told_by: str
    """What the idle share is taken from: `utilisation` or `waiting`."""
    idle_w: float | None
    """Watts before and after the windows, with the device's context open."""
    idle: float | None
    """J/step of the idle share at those watts."""


@dataclass(frozen=True)
class Energy(Summary):
    """Measured joules of one step, over all meters of all nodes."""

    unit: str
    """`J/step`."""
    source: str
    """How it was measured: `counter`, `sampled`, or both with a plus."""
    scope: str
    """What the total covers, in words."""
    meters: tuple[str, ...]
    """The meters that are in the total."""
    counted: tuple[str, ...]
    """The domains that are in the total, as `meter:domain`."""
    domains: dict[str, float]
    """J/step of every domain, also of those that lie inside others."""
    watts: float
    """Mean power over the windows, W."""
    window_s: float
    """The shortest window, s."""
    windows_s: tuple[float, ...]
    """Every window, s."""
    repeats: int
    """Windows that count."""
    void_windows: tuple[str, ...]
    """Why the other windows do not."""
    update_period_s: float
    """The slowest counter's time between updates, s."""
    tolerance_rel: float
    """The relative error, one sigma, up to which joules were asked for."""
    end_points_rel: float
    """Relative error, one sigma, from where in an update period the windows end."""
    quantisation_rel: float
    """Relative error from the counters' smallest steps."""
    systematic_rel: float
    """Relative error of the meters' gain, where their makers tell it."""
    uncertainty_rel: float
    """Relative error of a window, 95 %, all of these together."""
    crosscheck_rel: float | None
    """Largest relative difference between a counter and the sampled power beside it."""
    cost_rel: float
    """Share of a window that reading the meters took, 0 to 1."""
    waiting: Waiting
    """Joules at work and at waiting."""
    devices: dict[str, DeviceUse]
    """Each GPU that is counted, by its meter."""
    not_covered: tuple[str, ...]
    """What draws power and is in no meter, in words."""
    shared_by_ranks: dict[str, tuple[int, ...]]
    """The ranks that share a meter."""
    exclusive: bool | None
    """Whether the node was ours alone, as far as the idle before and after tells."""
    wraps: int
    """How often counters wrapped around."""
    read_errors: int
    """Failed reads."""
    comparable: str
    """What the figure may be compared with, in words."""
    idle_w: tuple[float, ...] | None = None
    """Watts of doing nothing, before and after the windows."""
    net: Summary | None = None
    """J/step above idle; null where idle drifted."""
    net_reason: str | None = None
    """Why there is no net."""
    net_ci95: tuple[float, float] | None = None
    """95 % interval of the median net, J/step: of the repeats, of the windows' own errors, and of
    both idle windows, which enter every repeat alike."""
    phases_rel: float | None = None
    """Where a GPU's meter looks at a part of each update period only: the largest relative
    difference of a window, at a phase of its own, from the median. In `uncertainty_rel`."""
    unused: Summary | None = None
    """J/step of the node's GPUs that no rank used, in the same windows; not in the total."""
    unused_domains: tuple[str, ...] = ()
    """The domains of `unused`, as `meter:domain`."""
    unused_reason: str | None = None
    """Why there is no `unused` although the meters show such GPUs."""
    carbon: Carbon | None = None
    """CO2e, where the user named a grid."""
    flags: tuple[str, ...] = ()
    """What makes the figure doubtful, in words."""


@dataclass(frozen=True)
class Estimate:
    """Joules of a step by the energy-roofline model: not measured, never compared with joules."""

    model: str
    """The model, in words."""
    profile: str
    """The machine profile's name."""
    title: str
    """The machine profile's title."""
    unit: str
    """`J/step`."""
    median: float
    """With the profile's typical figures."""
    low: float
    """With its lowest."""
    high: float
    """With its highest."""
    static_share: float
    """The share of the profile's static power that is charged to the case."""
    sources: dict[str, str]
    """Where the profile's figures come from."""
    most_w: float | None = None
    """The stated thermal design power of what is estimated, W; no figure exceeds it."""
    carbon: Carbon | None = None
    """CO2e, where the user named a grid."""


@dataclass(frozen=True)
class DeclaredWork:
    """What one step does at least, as the kernel declares it."""

    bytes: float
    """Bytes moved."""
    flops: float
    """Floating-point operations."""
    updates: float
    """Cells (nodes, points) updated."""


@dataclass(frozen=True)
class SourceLines:
    """Lines of code of what ran: without comments, docstrings and blank lines."""

    file: str
    """The kernel's source."""
    own: int
    """Lines of that file."""
    helpers: dict[str, float]
    """Of each file that it includes or imports, its lines over the number of kernels that do."""
    counted_by: str
    """The package that tells comments from code, and its version."""

    @property
    def total(self) -> float:
        """Its own lines and its share of the helpers."""
        return self.own + sum(self.helpers.values())


@dataclass(frozen=True)
class Rates:
    """The declared work over the median time, and how near that is to the machine's bounds."""

    updates_per_s: float
    """Updates a second."""
    ns_per_update: float
    """Nanoseconds an update."""
    bytes_per_s: float
    """Declared bytes a second, B/s."""
    flops_per_s: float
    """Declared floating-point operations a second."""
    ceiling_bytes_per_s: float | None = None
    """The best triad of the run on as many cores or GPUs and of this case's footprint, B/s."""
    ceiling_footprint_bytes: int | None = None
    """That triad's footprint, B: near the case's own where a cache serves a part of it."""
    ceiling_flops_per_s: float | None = None
    """The best rate of multiply-adds of the run in this precision, flop/s."""
    fraction_of_bound: float | None = None
    """The rate over the nearer bound; null where none was measured, or a call costs too much."""


@dataclass(frozen=True)
class Startup:
    """What it takes before the first step is done, in four parts; the slowest rank's."""

    import_s: float
    """Importing and starting the runtime, s."""
    load_s: float
    """Loading or compiling the kernel's functions, s."""
    cache: str
    """`cold` where they were compiled, `warm` where found, `none` where none is needed."""
    first_call_s: float
    """The first step, s."""
    call_overhead_s: float
    """A call across the bridge on an empty box, s."""
    energy: StartupEnergy | None = None
    """Joules of the first three parts, metered like windows; null without a meter."""
    energy_reason: str | None = None
    """Why there are no joules, or why there are not more of them."""

    @property
    def seconds(self) -> float:
        """Until the first step is done, s."""
        return self.import_s + self.load_s + self.first_call_s


@dataclass(frozen=True)
class Gpu:
    """A GPU that ranks used."""

    uuid: str
    """Its UUID, or its MIG instance's."""
    name: str
    """As the driver tells."""
    capability: tuple[int, ...]
    """Compute capability, major and minor."""
    ranks: tuple[int, ...]
    """The ranks that share it."""


@dataclass(frozen=True)
class LevelCost:
    """One grid of a kernel with coarser ones, in the best of three steps timed apart, by box."""

    shape: tuple[int, ...]
    """Cells of the whole grid, slowest axis first."""
    whole: bool
    """Whether every rank has all of it, and computes it by itself."""
    exchanges: int
    """Halo exchanges a step."""
    messages: int
    """Messages of the busiest rank a step."""
    bytes: int
    """Bytes that the busiest rank sends a step."""
    exchange_s: float
    """The slowest rank's time a step in packing, waiting, unpacking and halo copies, s."""
    compute_s: float
    """The slowest rank's time a step in functions, s."""
    width: int = 1
    """Cells of the halo that those exchanges fill. Where some fill all of it and others less, the
    finest grid is told of twice."""
    arrays: int = 0
    """Arrays whose halos a step fills, each as often as it is."""
    gathers: int = 0
    """How often a step needs all of it from parts; the first grid that is whole is gathered."""


@dataclass(frozen=True)
class Parallel:
    """How the ranks shared the step. What needs several ranks is null on one."""

    parts: tuple[int, ...]
    """Ranks per axis, slowest first."""
    nodes: int
    """Nodes that the ranks ran on."""
    exchange_s: float
    """Mean time a step and rank in packing, waiting, unpacking and local halo copies, s."""
    compute_s: float
    """Mean rest of the step, s."""
    imbalance: float
    """The slowest rank's computing over the mean, minus one."""
    exchange_s_by_rank: tuple[float, ...]
    """By rank, s."""
    compute_s_by_rank: tuple[float, ...]
    """By rank, s."""
    overlap: bool | None = None
    """Whether halos travelled while the core was computed."""
    overlap_gain: float | None = None
    """How much faster overlap was, timed before the windows, relative; null where it was given."""
    through: str | None = None
    """Where messages lay: host memory, device memory, ..."""
    packing_bytes_per_s: float | None = None
    """Rate at which all ranks pack and unpack, B/s."""
    packing_of_triad: float | None = None
    """That rate over the machine's triad."""
    messages: int | None = None
    """Messages of the busiest rank a step."""
    bytes: int | None = None
    """Bytes that the busiest rank sends a step."""
    latency_s: float | None = None
    """Of a ping-pong between the first and the last rank, s."""
    bandwidth_bytes_per_s: float | None = None
    """Of that ping-pong, B/s."""
    predicted_exchange_s: float | None = None
    """What messages, latency and bandwidth predict for the exchange of a step, s."""
    launcher: str | None = None
    """What started the ranks."""
    gpus: tuple[Gpu, ...] = ()
    """The GPUs that ranks used."""
    levels: tuple[LevelCost, ...] = ()
    """Of a kernel with coarser grids, what each costs, the finest first; else nothing."""
    collectives: int = 0
    """Collective operations of all ranks a step: two for each call for dot products."""


@dataclass(frozen=True)
class Check:
    """One comparison: `error` must not exceed `tolerance`."""

    error: float
    """Relative; 0 or 1 where only equality is asked for."""
    tolerance: float
    """The largest error allowed."""
    passed: bool
    """Whether it is within; not where the error is no number."""

    @classmethod
    def of(cls, error: float, tolerance: float) -> Check:
        return cls(error, tolerance, error <= tolerance)  # False for NaN


@dataclass(frozen=True)
class Verification:
    """Was the answer right? One step against NumPy, and named invariants of the measured run."""

    norm: str
    """What `error` is, in words."""
    error: float | None
    """Of the first step against the NumPy reference; null where a grid with coarser levels is too
    large for every rank to compute all of it once more."""
    tolerance: float | None
    """The largest error allowed."""
    passed: bool
    """Whether this check and every invariant passed."""
    invariants: dict[str, Check] = field(default_factory=dict)
    """Exact answers, conserved totals, repeatability: by what was compared with."""
    first_step_digest: dict[str, str] = field(default_factory=dict)
    """Of each field of the whole grid after the first step, sixteen hexadecimal digits: alike in
    any cut of the grid where every bit is (`joulia.simulation.digest`)."""


@dataclass(frozen=True)
class Feed:
    """How the input of a step came from a file."""

    bytes: int
    """Read by all ranks for a step, bytes."""
    read_bytes_per_s: float
    """That over the time in which it was read by the slowest rank, B/s."""
    idle_share: float
    """The share of the step in which the slowest rank waited for its input, between 0 and 1."""
    file_bytes: int = 0
    """The size of the files of all ranks, bytes: less than memory, and they lie in memory."""
    idle: float | None = None
    """J/step of the idle share at the mean power of the windows; null where no joules are."""


@dataclass(frozen=True)
class EndTimeError:
    """The problem solved to an end time, and its error against the differential equations."""

    until: float
    """The end time, in the kernel's unit."""
    steps: int
    """Steps that it took."""
    result: str
    """The field whose error this is."""
    norm: str
    """What `error` is, in words."""
    error: float
    """Relative."""
