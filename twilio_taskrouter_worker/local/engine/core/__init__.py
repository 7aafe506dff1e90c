"""The parts that everything else in the engine stands on: state, kernel, timers, sids, checks and the digest."""
