"""What can be done, and to what."""

from activities.block import Block
from activities.connections import Connections
from activities.isolate import Isolate

ACTIONS = (Block, Isolate)
LOOKUPS = (Connections,)
