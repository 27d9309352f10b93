"""Which jobs run where and when, on which GPUs, and what that costs in time and energy.

What the user writes (traces, node lists) becomes a `Workload` and a `Fleet`;
policies are pure functions over arrays; the engine replays the one on the
other exactly and fast, beside a slow, obvious reference that must agree with it.
"""
