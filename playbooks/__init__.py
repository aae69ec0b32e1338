"""The content: one file a playbook, and the tuple that lists them."""

from playbooks.authentication_attack import AuthenticationAttack
from playbooks.policy_violation import PolicyViolation

PLAYBOOKS = (AuthenticationAttack, PolicyViolation)
