"""Every command of the command line."""

import click


def commands(group, path=()):
    """Each with its name, those of groups too."""
    for name in group.list_commands(None):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command
