"""
The whole protocol in one process, on virtual time: real agents, simulated clock, disk and network.

One seed gives one history, to the byte. A *story* is the list of what operators, machines and
attackers do; *hosts* are agents that crash and come back; the *promises* are what has to hold
whatever happens, and are shared with the tests on real processes where they can be.
"""
