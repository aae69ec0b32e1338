"""The record that everything can be proved by: append-only, each entry linked to the one before."""

from responder.audit.log import GENESIS as GENESIS
from responder.audit.log import Entry as Entry
from responder.audit.log import append as append
from responder.audit.log import tail as tail
from responder.audit.verify import Fault as Fault
from responder.audit.verify import verify as verify
