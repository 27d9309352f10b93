"""Placement problems for tests and benches: small random ones, and a lifelike one."""

import numpy as np

from commonwatt.siting.domain.placement import PlacementProblem


def random_problem(seed, *, classes=4, pools=5, days=1, deferrable=True, unit=0.0, opening=0.0):
    """Return a small problem with a feasible plan; prices may be negative."""
    rng = np.random.default_rng(seed)
    hours = 24 * days
    demand = rng.uniform(0, 100, (classes, hours)) * rng.integers(0, 2, (classes, hours))
    latency = rng.random((classes, pools)) < 0.7
    latency[np.arange(classes), rng.integers(0, pools, classes)] = True
    defer = rng.choice([0, 0, 3, 8, 24], classes) if deferrable else np.zeros(classes, int)
    everywhere = np.ones((classes, pools), bool)
    return PlacementProblem(
        class_names=tuple(f"class-{k}" for k in range(classes)),
        pool_names=tuple(f"pool-{j}" for j in range(pools)),
        site_names=tuple(f"site-{j}" for j in range(pools)),
        site=np.arange(pools),
        demand=demand,
        draw=rng.uniform(0.4, 1.0, classes),
        run_usd=rng.uniform(-0.02, 0.2, (pools, hours)),
        move_usd=rng.uniform(0, 0.05, (classes, pools)),
        carbon_kg=rng.uniform(0, 0.6, (pools, hours)),
        latency_ok=latency,
        residency_ok=everywhere,
        type_ok=everywhere,
        defer_h=defer.astype(np.int64),
        size_usd=rng.uniform(0.2, 1.0, pools) * days,
        open_usd=np.full(pools, opening * days),
        unit=np.full(pools, unit),
        max_size=np.full(pools, 100.0 * classes),
    )


def lifelike_problem(
    hours=168, *, classes=20, pools=30, seed=1, unit=0.0, opening=0.0, slack=6.0, reach=1.0
):
    """Return 30 regions and 20 classes with daily shapes, latency circles and price noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(hours)
    east = np.linspace(-120, 150, pools)
    north = rng.uniform(-35, 60, pools)
    home = rng.permutation(pools)[: classes % pools or pools]
    home = np.resize(home, classes)
    angle = np.abs(east[home][:, None] - east[None, :])
    distance = np.hypot(np.minimum(angle, 360 - angle) * 0.8, north[home][:, None] - north)
    rtt = 5 + 1.9 * distance
    limit = rng.choice([60, 100, 150, 400], classes, p=[0.25, 0.3, 0.25, 0.2])
    latency = rtt <= reach * limit[:, None]
    latency[np.arange(classes), home] = True
    local = (t[None, :] + east[home][:, None] / 15) % 24
    shape = 0.65 + 0.3 * np.sin((local - 9) / 24 * 2 * np.pi)
    weekly = 1 - 0.15 * (((t // 24) % 7) >= 5)
    base = rng.uniform(300, 3000, classes)
    noise = rng.lognormal(0, 0.08, (classes, hours))
    demand = base[:, None] * shape * weekly * noise
    level = rng.uniform(25, 130, pools)
    hour = (t[None, :] + east[:, None] / 15) % 24
    swing = 1 + 0.35 * np.sin((hour - 10) / 24 * 2 * np.pi) - 0.3 * (np.abs(hour - 13) < 3)
    days = np.repeat(rng.lognormal(0, 0.25, (pools, -(-hours // 24))), 24, axis=1)[:, :hours]
    price = level[:, None] * swing * days * rng.lognormal(0, 0.15, (pools, hours)) / 1000
    defer = np.where(np.arange(classes) % 4 == 3, rng.choice([6, 12, 24], classes), 0)
    everywhere = np.ones((classes, pools), bool)
    residency = everywhere.copy()
    for k in range(0, classes, 5):
        residency[k] = np.abs(east - east[home[k]]) < 60
    return PlacementProblem(
        class_names=tuple(f"class-{k}" for k in range(classes)),
        pool_names=tuple(f"pool-{j}" for j in range(pools)),
        site_names=tuple(f"site-{j}" for j in range(pools)),
        site=np.arange(pools),
        demand=demand,
        draw=rng.uniform(0.6, 1.0, classes),
        run_usd=price * 1.3 * rng.uniform(1.1, 1.4, (pools, 1)) + 0.02,
        move_usd=0.002 * (rtt > 30) + 0.00002 * rtt,
        carbon_kg=rng.uniform(0.02, 0.7, (pools, 1)) * rng.lognormal(0, 0.1, (pools, hours)),
        latency_ok=latency,
        residency_ok=residency,
        type_ok=everywhere,
        defer_h=defer.astype(np.int64),
        size_usd=rng.uniform(7000, 10500, pools) * hours / 8760,
        open_usd=np.full(pools, opening * hours / 8760),
        unit=np.full(pools, unit),
        max_size=np.full(pools, slack * 3000.0),
    )
