"""What tests.interop.test_kernel asks of this machine's kernel, asked of the guest's."""

from tests.interop.test_kernel import *  # noqa: F403
