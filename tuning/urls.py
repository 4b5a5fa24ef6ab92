from django.urls import path

from tuning import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("sweeps/", views.sweep_list, name="sweeps"),
    path("sweeps/new/", views.sweep_new, name="sweep_new"),
    path("sweeps/new/size/", views.sweep_size, name="sweep_size"),
    path("sweeps/<int:pk>/", views.sweep_detail, name="sweep"),
    path("sweeps/<int:pk>/progress/", views.sweep_progress, name="sweep_progress"),
    path("sweeps/<int:pk>/trials.csv", views.sweep_csv, name="sweep_csv"),
    path("sweeps/<int:pk>/<str:deed>/", views.sweep_deed, name="sweep_deed"),
]
