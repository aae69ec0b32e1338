"""A minute's story on real parts, in which nothing is claimed that was not checked."""

from responder.demo.story import tell_story as tell_story
