"""The import path of setups that act for a block of code."""

from generated.core.adapter_setup import AdapterSetup as AdapterSetup
