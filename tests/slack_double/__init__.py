"""
A strict Slack of our own: real HTTP and WebSocket on loopback, refusing what Slack refuses.

It is no evidence of Slack's behaviour where it says *invented*. Nothing here is made with slack_sdk, so
that a client built on the SDK does not share its blind spots.

=====================================  ==========================================================
rule                                   where it is documented
=====================================  ==========================================================
v0 signature, 5 minutes                docs.slack.dev/authentication/verifying-requests-from-slack
acknowledge within 3 seconds           docs.slack.dev/interactivity/handling-user-interaction
1 message a second and channel, 429    docs.slack.dev/apis/web-api/rate-limits
  a burst of 3 above it                invented: "short bursts" are allowed, no number is given
chat.update 50 a minute                the same page: tier 3
50 blocks a message, 100 a modal       docs.slack.dev/reference/block-kit/blocks, reference/views
section 3000, fields 10 of 2000        docs.slack.dev/reference/block-kit/blocks/section-block
header 150, context 10, actions 25     .../header-block, .../context-block, .../actions-block
block_id and action_id 255             .../blocks, reference/block-kit/block-elements
button 75, value 2000, url 3000        .../block-elements/button-element
overflow 1 to 5 options of 75 and 150  .../block-elements/overflow-menu-element, composition-objects
title, submit, close of a modal 24     docs.slack.dev/reference/views/modal-views
text of 40,000 characters              docs.slack.dev/reference/methods/chat.postMessage (msg_too_long)
13,200 characters in all blocks        not documented: msg_blocks_too_long, slackapi/bolt-js#2509
  how they are counted                 invented: the characters of every text object
scopes, missing_scope with `needed`    each method's page; X-OAuth-Scopes on every answer
app-level token only in its header,    docs.slack.dev/reference/methods/apps.connections.open
  only for that method
reading methods take no JSON           docs.slack.dev/apis/web-api (only some methods take JSON)
trigger_id good once, for 3 seconds    docs.slack.dev/interactivity/handling-user-interaction
response_url 5 uses, 30 minutes        third-party pages only
  used_url, expired_url, status 404    invented
hello, disconnect, one envelope to     docs.slack.dev/apis/events-api/using-socket-mode
  one of up to 10 connections
an envelope that is not acknowledged   documented for events; for what people do: invented
  is sent again
every other error's wording            invented
=====================================  ==========================================================
"""

from tests.slack_double.double import Slack
from tests.slack_double.workspace import Channel, User

__all__ = ["Channel", "Slack", "User"]
