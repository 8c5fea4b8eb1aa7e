"""What every stage stands on: settings, logs, metrics, Kafka clients, the stage shell, worker processes.

Holds no radio logic; imports nothing of the stages.
"""
