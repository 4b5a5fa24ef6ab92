"""What was measured of a TX2 (VGG19, batch 2, MAXN), and of idle Xavier NX and Orin Nano boards.

Source: logs of thynics/jetson_dvfs and captured tegrastats lines, as reference/jetson-power.md
and the shared tegrastats lines give them.
"""

VGG19 = (
    # GPU MHz, mW of GPU, SOC, CPU, DDR, VDD_IN, ms an execution
    (114.75, 533, 913, 1141, 1420, 5068, 576.7),
    (216.75, 837, 989, 1142, 1708, 5828, 305.5),
    (318.75, 1142, 1141, 1217, 2160, 6949, 208.1),
    (420.75, 2130, 1293, 1217, 2476, 8450, 158.5),
    (522.75, 2586, 1368, 1216, 2745, 9359, 128.3),
    (624.75, 2965, 1444, 1216, 2976, 10154, 109.2),
    (726.75, 3420, 1519, 1216, 3148, 10725, 96.2),
    (854.25, 4330, 1594, 1214, 3360, 12051, 85.1),
    (930.75, 4859, 1594, 1214, 3456, 12692, 81.1),
    (1032.75, 5768, 1669, 1214, 3590, 13864, 75.8),
    (1122, 6904, 1668, 1213, 3686, 15149, 72.4),
    (1236.75, 8414, 1742, 1216, 3744, 16805, 70.0),
    (1300.5, 9396, 1742, 1212, 3840, 17974, 67.1),
)
"""Busy medians at memory 1866 MHz."""
VGG19_MEMORY = ((1062.4, 12825, 99.4), (1331.2, 14452, 82.6), (1600, 16091, 72.9))
"""Memory MHz, VDD_IN mW, ms an execution, at GPU 1300.5 MHz."""
VGG19_BYTES = 1.85e9
"""An execution's traffic, from the EMC_FREQ percentages."""
QUIET = {"VDD_SYS_GPU": 152, "VDD_SYS_SOC": 533, "VDD_SYS_CPU": 228, "VDD_SYS_DDR": 269,
         "VDD_IN": 1945}  # fmt: skip
"""A quiet board with its memory at 1062 MHz; mW."""
NX_IDLE = {"VDD_IN": 3528, "VDD_CPU_GPU_CV": 410, "VDD_SOC": 1107}
"""Xavier NX with its memory at 1600 MHz; mW."""
