"""Joules: meters watched and added up, with their errors; estimates where there is no meter.

`EnergyMonitor` and `energy_result` are the names that other distributions use.
"""

from joulia.energy.monitor import EnergyMonitor as EnergyMonitor
from joulia.energy.result import energy_result as energy_result
