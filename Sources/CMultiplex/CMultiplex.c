// SwiftPM wants one source file in a C target; most stands in the header.
#include "CMultiplex.h"
